"""The journal as a directory that other people's programs check."""
