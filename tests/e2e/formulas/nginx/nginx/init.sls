include:
  - nginx.package
  - nginx.config
  - nginx.vhosts
  - nginx.service
