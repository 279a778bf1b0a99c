"""Operations that change something in the store: a script each."""
