# What CI runs.
ci:
    .ci/run

# Format.
fmt:
    cargo fmt

# Lint as CI does.
lint:
    cargo clippy --all-targets --all-features -- -D warnings

# All tests.
test:
    cargo test

# The tests N times in a row, to find a flake.
flakes n="20":
    for i in $(seq {{n}}); do cargo test --quiet || exit 1; done

# The documentation, with warnings as errors.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --open
