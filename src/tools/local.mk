# tools: filled in as its files come
