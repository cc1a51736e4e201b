# http: filled in as its files come
