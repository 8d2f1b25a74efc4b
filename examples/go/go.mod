module examples

go 1.19

require github.com/netconnpool/netconnpool/go v0.0.0

replace github.com/netconnpool/netconnpool/go => ../../go
