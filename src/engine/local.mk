# engine: filled in as its files come
