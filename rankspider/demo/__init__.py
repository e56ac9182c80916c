"""One crawl of made-up data by the embedded servers, and what it shows."""
