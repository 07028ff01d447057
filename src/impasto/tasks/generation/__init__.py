"""Pictures from noise."""
