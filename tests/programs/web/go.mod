module tenantry.dev/testing/web

go 1.26.0
