"""The replay: a history of realistic commits on an example model, and for each the images that it really rebuilds."""
