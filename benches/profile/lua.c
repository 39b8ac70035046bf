/* Runs a Lua file with an argument: profile.py builds it together with Lua's own files. */
#include <stdio.h>
#include <stdlib.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

int main(int argc, char **argv)
{
    lua_State *state = luaL_newstate();
    if (state == NULL || argc < 3)
        return 1;
    luaL_openlibs(state);
    lua_pushinteger(state, atoi(argv[2]));
    lua_setglobal(state, "N");
    if (luaL_dofile(state, argv[1])) {
        fprintf(stderr, "%s\n", lua_tostring(state, -1));
        return 1;
    }
    lua_close(state);
    return 0;
}
