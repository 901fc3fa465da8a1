"""The papers' whole protocols: data, training, every dimension, and the tables as the papers print them."""
