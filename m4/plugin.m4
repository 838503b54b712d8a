# PROBED_BUNDLED_PLUGIN(NAME, WHAT-IT-IS, [PKG-CONFIG MODULES])
# --with-plugin-NAME=yes|no; by default built where its libraries are found.
AC_DEFUN([PROBED_BUNDLED_PLUGIN], [
  AC_ARG_WITH([plugin-$1],
    [AS_HELP_STRING([--with-plugin-$1=yes|no], [build the $1 plugin: $2 @<:@where possible@:>@])],
    [], [with_plugin_$1=auto])
  AS_CASE([$with_plugin_$1], [yes|no|auto], [],
    [AC_MSG_ERROR([--with-plugin-$1=$with_plugin_$1: expected yes or no])])
  m4_ifval([$3], [
    AS_IF([test "x$with_plugin_$1" != xno], [
      PKG_CHECK_MODULES(m4_toupper([PLUGIN_$1]), [$3], [with_plugin_$1=yes], [
        AS_IF([test "x$with_plugin_$1" = xyes],
          [AC_MSG_ERROR([the $1 plugin was asked for, but needs: $3])],
          [with_plugin_$1=no])])])],
    [AS_IF([test "x$with_plugin_$1" = xauto], [with_plugin_$1=yes])])
  AM_CONDITIONAL(m4_toupper([WITH_PLUGIN_$1]), [test "x$with_plugin_$1" = xyes])
  PROBED_PLUGINS_SUMMARY="$PROBED_PLUGINS_SUMMARY $1=$with_plugin_$1"
])
