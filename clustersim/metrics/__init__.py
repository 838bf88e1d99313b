"""Traffic and its metrics, scraped or asked."""
