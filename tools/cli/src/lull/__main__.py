from lull.main import app

app(prog_name="lull")
