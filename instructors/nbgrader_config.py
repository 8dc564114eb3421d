"""nbgrader's settings, read by `make student`, and by nbgrader itself where it is started in this
folder.
"""

c = get_config()  # noqa: F821  it comes with traitlets

c.ClearSolutions.code_stub = {"python": "# your code here"}
c.ClearSolutions.text_stub = "*Your answer here, instead of this line.*"
# nbgrader would hand out what lies beside a notebook, and this file holds wrong solutions.
c.CourseDirectory.ignore.append("wrong.py")
c.CourseDirectory.course_id = "image-restoration"  # the name in JupyterHub's exchange
