"""What all network families share: the inspector around a network, the pyramid head, widths, sizes, and their listing."""
