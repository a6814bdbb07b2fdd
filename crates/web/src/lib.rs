//! Pages for people: templates, texts in three languages, static files
