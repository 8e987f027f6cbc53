module tenantry.dev/testing/git-ssh

go 1.26.0

require golang.org/x/crypto v0.47.0

require golang.org/x/sys v0.40.0 // indirect
