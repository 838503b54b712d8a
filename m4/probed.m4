# probed.m4: for the configure.ac of a plugin kept in a tree of its own.      -*- Autoconf -*-
# SPDX-License-Identifier: Apache-2.0
#
# PROBED_PLUGIN([MINIMUM-ABI-MINOR])
#   Finds probed's headers by pkg-config. Sets PROBED_CFLAGS, PROBED_LIBS (empty: a plugin links nothing of
#   probed's), PROBED_PLUGINDIR, PROBED_ABI_MAJOR, PROBED_ABI_MINOR, and PROBED_PLUGIN_LDFLAGS for libtool.
AC_DEFUN([PROBED_PLUGIN], [
  PKG_CHECK_MODULES([PROBED], [probed])
  PKG_CHECK_VAR([PROBED_PLUGINDIR], [probed], [plugindir])
  PKG_CHECK_VAR([PROBED_ABI_MAJOR], [probed], [abi_major])
  PKG_CHECK_VAR([PROBED_ABI_MINOR], [probed], [abi_minor])
  m4_ifval([$1], [
    AS_IF([test "$PROBED_ABI_MINOR" -lt "$1"],
      [AC_MSG_ERROR([probed's ABI is $PROBED_ABI_MAJOR.$PROBED_ABI_MINOR, but minor $1 is needed])])])
  PROBED_PLUGIN_LDFLAGS='-module -avoid-version -shared -Wl,-z,defs -Wl,-z,now -Wl,-z,nodelete'
  AC_SUBST([PROBED_PLUGIN_LDFLAGS])
])
