"""A program built a second time, with the deliberate faults of consensus/core/mutants.h in it."""

_COPT = "//command_line_option:copt"

def _with_mutants_impl(settings, attr):
    return {_COPT: settings[_COPT] + ["-DRASPUTIN_MUTANTS"]}

_with_mutants = transition(
    implementation = _with_mutants_impl,
    inputs = [_COPT],
    outputs = [_COPT],
)

def _with_mutants_program_impl(ctx):
    executable = ctx.actions.declare_file(ctx.label.name)
    program = ctx.attr.program[0][DefaultInfo].files_to_run.executable
    ctx.actions.symlink(output = executable, target_file = program, is_executable = True)
    return [DefaultInfo(
        executable = executable,
        runfiles = ctx.attr.program[0][DefaultInfo].default_runfiles,
    )]

_ATTRS = {
    "program": attr.label(executable = True, mandatory = True, cfg = _with_mutants),
    "_allowlist_function_transition": attr.label(
        default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
    ),
}

mutants_test = rule(
    implementation = _with_mutants_program_impl,
    doc = "Runs a program that was built, with all that it links, with -DRASPUTIN_MUTANTS.",
    attrs = _ATTRS,
    test = True,
)

mutants_binary = rule(
    implementation = _with_mutants_program_impl,
    doc = "As mutants_test, for programs that are no test.",
    attrs = _ATTRS,
    executable = True,
)
