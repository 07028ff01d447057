"""A folder of pictures, examined once and served as seeded batches."""
