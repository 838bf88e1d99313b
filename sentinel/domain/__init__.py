"""What the sentinel talks about: frozen values, standard library only, no behaviour that touches the world."""
