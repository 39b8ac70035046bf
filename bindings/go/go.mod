module mgenjit

go 1.19
