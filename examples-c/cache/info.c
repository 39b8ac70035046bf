#include "info.h"

#include "common/json.h"
#include "common/level.h"

void json_info(const mgenjit_cache_info *info)
{
    json_string("key", info->key);
    json_string("name", info->name);
    json_string("opt_level", level_name(info->opt_level));
    json_bool("pinned", info->pinned);
    json_string("triple", info->triple);
    json_string("cpu", info->cpu);
    json_string("machine", info->machine);
    json_string("llvm_version", info->llvm_version);
    json_string("version", info->version);
    json_string("build", info->build);
    json_number("ir_bytes", info->ir_bytes);
    json_number("bytes", info->bytes);
    json_number("image_bytes", info->image_bytes);
    json_number("compile_time", info->compile_us);
    json_number("created", info->created_us);
    json_number("last_used", info->last_used_us);
    json_number("hits", info->hits);
    json_number("saved_time", info->saved_us);
    json_bool("is_piece", info->is_piece);
    json_number("pieces", info->pieces);
}
