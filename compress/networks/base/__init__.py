"""What network families share: the inspector around a network, the pyramid head, widths, sizes, their listing."""
