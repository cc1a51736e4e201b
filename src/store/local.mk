# store: filled in as its files come
