#include "launcher/flags/commands/tool_flags.h"

#include "launcher/flags/flags.h"
#include "launcher/flags/help_texts.h"

namespace lockstep {

void AddTrace(CLI::App& app, AllBindings& all) {
  Bindings& bound = AddCommand(
      app, all, "trace", {"Sums up what the ranks of a --trace spent time on.", kTraceFooter});
  CLI::App& command = *app.get_subcommand("trace");
  command.add_option("FILE", bound.trace_file, "what --trace has written")
      ->type_name("FILE.json")
      ->group(kTextGroup);
  command.add_flag("--json", bound.json, kJsonHelp)->group(kTextGroup);
}

void AddTools(CLI::App& app, AllBindings& all) {
  Bindings& env =
      AddCommand(app, all, "env",
                 {"Prints what a bug report needs: versions, libraries, machine.", kEnvFooter});
  CLI::App& env_command = *app.get_subcommand("env")->group("Tools");
  env_command.add_flag("--json", env.json, kJsonHelp)->group(kTextGroup);
  Bindings& completion =
      AddCommand(app, all, "completion",
                 {"Prints completion of command lines for a shell.", kCompletionFooter});
  app.get_subcommand("completion")
      ->group("Tools")
      ->add_option("SHELL", completion.shell, "the shell")
      ->type_name("bash|zsh|fish");
  Bindings& manual =
      AddCommand(app, all, "manual", {"Prints a manual page, as roff.", kManualFooter});
  CLI::App& manual_command = *app.get_subcommand("manual")->group("Tools");
  // The words of a command become one word before (JoinManual()): here they would be commands.
  manual_command.add_option("COMMAND", manual.manual, "whose page; none: that of the program");
  manual_command.add_flag("--list", manual.list, "lists the names of the pages")->group(kTextGroup);
}

}  // namespace lockstep
