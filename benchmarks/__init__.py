"""What the crawl costs, beside the project one would write without it and Scrapy by itself."""
