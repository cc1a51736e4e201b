# daemon: filled in as its files come
