"""What ships inside the package because a machine without network must do with it: the small network of the `lite`
protocol and its training. It notices change and never ranks methods (docs/metrics.md)."""
