module tools/image

go 1.26.0
