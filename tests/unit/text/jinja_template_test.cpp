#include "text/jinja/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/message_of.h"

namespace lockstep::jinja {
namespace {

using testing::HasSubstr;

std::string MessageFrom(const std::string& source, const Limits& limits = {}) {
  return MessageOf([&] { Template(source, "chat template").Render({}, limits); });
}

TEST(JinjaTemplate, NamesTheLineAndColumnOfWhatItRefuses) {
  EXPECT_EQ(MessageFrom("a\nbä {{ n | nope }}"),
            "chat template, line 2, column 11: the filter nope is not supported");
  EXPECT_EQ(MessageFrom("{% if x %}\n  {% endfor %}"),
            "chat template, line 2, column 6: the tag endfor is not supported here; open is a tag "
            "that ends with {% elif %} or {% else %} or {% endif %}");
  EXPECT_EQ(MessageFrom("{{ 1 +"),
            "chat template, line 1, column 1: an expression without its "
            "end; expected }}");
  EXPECT_EQ(MessageFrom("{{ 1 + }}"),
            "chat template, line 1, column 8: }} where an expression is expected");
  EXPECT_EQ(MessageFrom("{% for x in y %}"),
            "chat template, line 1, column 17: the end of the template where {% endfor %} or {% "
            "else %} is expected");
}

TEST(JinjaTemplate, NamesThePlaceOfWhatFailsWhileRendering) {
  EXPECT_EQ(MessageFrom("\n{{ 1 + x.y }}"), "chat template, line 2, column 10: 'x' is undefined");
  EXPECT_EQ(MessageFrom("{{ raise_exception('roles must alternate') }}"),
            "chat template, line 1, column 19: roles must alternate");
  EXPECT_EQ(MessageFrom("{% set x = 5 %}{% set x.y = 1 %}"),
            "chat template, line 1, column 19: cannot assign attribute on non-namespace object");
}

// None of it is passed over and none of it waits for the branch that has it.
TEST(JinjaTemplate, RefusesWhatItDoesNotSupportBeforeAnythingIsRendered) {
  for (const char* part : {"{% include 'x' %}",
                           "{% import 'x' as y %}",
                           "{% from 'x' import y %}",
                           "{% extends 'x' %}",
                           "{% block x %}{% endblock %}",
                           "{% call m() %}{% endcall %}",
                           "{% autoescape true %}{% endautoescape %}",
                           "{% do x %}",
                           "{% print x %}",
                           "{% for x in y recursive %}{% endfor %}",
                           "{{ loop(x) }}",
                           "{{ '%s' % x }}",
                           "{{ x.format(y) }}",
                           "{{ x.zfill(2) }}",
                           "{{ x | groupby('y') }}",
                           "{{ x is escaped }}",
                           "{{ cycler(1) }}",
                           "{{ f(*x) }}",
                           "{{ f(**x) }}",
                           "{{ x | e }}",
                           "{{ x | format(1) }}"})
    EXPECT_THAT(
        MessageOf([&] { Template(std::string("{% if false %}") + part + "{% endif %}", "t"); }),
        HasSubstr("not supported"))
        << part;
}

// What would take for ever, or all memory, ends with a message instead.
// Only what comes out counts, not what more places of the old text would have given.
TEST(JinjaTemplate, ReplacesALittleOfALongText) {
  const Template replaces(
      "{% set long = 'a' * 200000 ~ '{}' %}{% set new = 'b' * 20000 %}"
      "{{ long.replace('{}', new)|length }} {{ long|replace('{}', new)|length }}",
      "chat template");
  EXPECT_EQ(replaces.Render({}), "220000 220000");
}

TEST(JinjaTemplate, EndsWhatTakesTooMuch) {
  EXPECT_THAT(MessageFrom("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}"
                          "{% endfor %}"),
              HasSubstr("more than 2000000 steps"));
  EXPECT_THAT(MessageFrom("{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(64) %}"
                          "{% set ns.x = ns.x ~ ns.x %}{% endfor %}"),
              HasSubstr("longer than"));
  EXPECT_THAT(MessageFrom("{% set ns = namespace(x='a') %}{% for i in range(99) %}"
                          "{% set ns.x = ns.x.replace('a', 'aaaaaaaaaaaaaaaa') %}{% endfor %}"),
              HasSubstr("longer than"));
  EXPECT_THAT(MessageFrom("{{ 'a' * 99999999999 }}"), HasSubstr("more than"));
  EXPECT_THAT(MessageFrom("{{ [1] * 99999999 }}"), HasSubstr("more than"));
  EXPECT_THAT(MessageFrom("{% set ns = namespace(x=[]) %}{% for i in range(999) %}"
                          "{% set ns.x = [ns.x] %}{% endfor %}"),
              HasSubstr("nested deeper"));
  EXPECT_THAT(MessageFrom("{% set ns = namespace(x=[1]) %}{% for i in range(64) %}"
                          "{% set ns.x = [ns.x, ns.x] %}{% endfor %}"),
              HasSubstr("others in it"));
  EXPECT_THAT(MessageFrom("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
              HasSubstr("nested too deep"));
  EXPECT_THAT(
      MessageFrom("{% for i in range(99999) %}aaaaaaaaaa{% endfor %}", {.output_bytes = 1000}),
      HasSubstr("writes more than 1000 bytes"));
  for (const char* work : {"x.upper()", "x|trim", "'' + x", "'b' in x", "x is lower"})
    EXPECT_THAT(MessageFrom(std::string("{% set x = 'a' * 9999999 %}{% for i in range(9999) %}"
                                        "{% set y = ") +
                            work + " %}{% endfor %}"),
                HasSubstr("more than 2000000 steps"))
        << work;
  EXPECT_THAT(MessageFrom("{{ (-9223372036854775807 - 1)|abs }}"), HasSubstr("reckon"));
  EXPECT_THAT(MessageFrom("{{ 9223372036854775807 + 1 }}"), HasSubstr("reckon"));
  EXPECT_THAT(MessageFrom("{{ 2 ** 99999999 }}"), HasSubstr("reckon"));
}

TEST(JinjaTemplate, RefusesWhatIsNestedTooDeepToRead) {
  const auto repeated = [](const std::string& part, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += part;
    return text;
  };
  for (const std::string& source :
       {"{{ " + repeated("(", 9999) + "1" + repeated(")", 9999) + " }}",
        "{{ " + repeated("not ", 9999) + "1 }}", "{{ " + repeated("-", 9999) + "1 }}",
        "{{ 1" + repeated(" + 1", 9999) + " }}", "{{ x" + repeated(".y", 9999) + " }}",
        "{{ x" + repeated("|list", 9999) + " }}", "{{ x" + repeated(" if x else x", 9999) + " }}",
        repeated("{% if x %}", 9999) + repeated("{% endif %}", 9999)})
    EXPECT_NE(MessageOf([&] { Template(source, "t"); }), "") << source.substr(0, 40);
}

TEST(JinjaTemplate, GivesThingsThatHoldThemselvesBack) {
  const Template holds(
      "{% set ns = namespace() %}{% set ns.me = ns %}{% macro m() %}x{% endmacro %}"
      "{% set ns.m = m %}{{ ns.m() }}{{ ns.me.me == ns }}",
      "t");
  EXPECT_EQ(holds.Render({}), "xTrue");
}

TEST(JinjaTemplate, RefusesBytesThatAreNoText) {
  EXPECT_THAT(MessageOf([] { Template("a\xff", "t"); }), HasSubstr("UTF-8"));
}

}  // namespace
}  // namespace lockstep::jinja
