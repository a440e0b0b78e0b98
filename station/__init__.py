"""What runs on the factory PC: installs a bundle, keeps versions side by side, answers in time; never needs torch."""
