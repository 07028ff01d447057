"""Networks: descriptors in, `nn.Module`s out."""
