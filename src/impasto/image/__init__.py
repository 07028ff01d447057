"""Picture files, pixels and colours."""
