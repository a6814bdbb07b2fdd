language-name = x
