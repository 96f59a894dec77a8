//! What takpulse promises, held to it from outside: the binary is started and spoken to as its users
//! do. Modules are named after the promises.
//!
//! A test that needs a real server is ignored with the reason; `tests/run` installs the servers and
//! runs every test.

// How to start and speak to things.
mod app;
mod asker;
mod authority;
mod browser;
mod chromedriver;
mod connection;
mod cot_client;
mod credentials;
mod curl;
mod engine;
mod freetakserver;
mod http2;
mod inside;
mod openssl;
mod opentakserver;
mod place;
mod podman;
mod postgres;
mod program;
mod proxies;
mod pytak;
mod rabbitmq;
mod secure;
mod site;
mod stand_in;
mod taky;
mod visitor;
mod watching;
mod wire;
mod world;

// Promises.
mod accounts;
mod bad_input;
mod benchmark;
mod bus;
mod certificates;
mod certificates_in_a_browser;
mod configuration;
mod container_actions;
mod container_figures;
mod container_logs;
mod crowd;
mod dashboard;
mod description;
mod docker;
mod docker_in_trouble;
mod docker_many;
mod docker_podman;
mod docker_reports;
mod encrypted_viewers;
mod encryption;
mod handover;
mod house;
mod lifecycle;
mod limits;
mod one_file;
mod own_certificate;
mod protocol;
mod proxy;
mod publish;
mod renewal;
mod resume;
mod roles;
mod rootless;
mod routes;
mod sign_in;
mod socket_proxy;
mod stream;
mod tak;
mod tak_freetakserver;
mod tak_in_a_browser;
mod tak_layers;
mod tak_login;
mod tak_map;
mod tak_opentakserver;
mod tak_panel;
mod tak_server;
mod tak_users;
mod viewers;
mod weak_tls;
