"""What the outside world says of our money: banks, and later statement files and chains."""
