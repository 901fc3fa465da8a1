"""Reading what lies on disk: labelled texts, and arrays of what models said."""
