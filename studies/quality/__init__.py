"""How often is a verdict on escapes wrong?"""
