"""The books leave: written in any form, and proved by whoever has them."""
