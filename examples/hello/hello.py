import mvm


@mvm.app(image=mvm.nix_packages(["python3"]))
def hello(name: str = "world") -> str:
    return f"Hello, {name}!"
