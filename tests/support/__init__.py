"""What tests and benchmarks share: fixture repositories, the strict load client, processes that end with their test."""
