"""Connections to brokers and PLCs, for whoever brings them results or hears from them."""
