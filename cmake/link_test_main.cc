// The link test of a module: it passes when the module links with its declared dependencies alone.
int main() {
  return 0;
}
