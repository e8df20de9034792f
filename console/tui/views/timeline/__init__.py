"""What tokens did and when: bins, lanes and single events."""
