module github.com/netconnpool/netconnpool/go

go 1.19
