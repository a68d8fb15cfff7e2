/* The only file that sees libmaxminddb. */
#include "transform/geo.h"

#include <maxminddb.h>
#include <stdio.h>

#include "base/arena.h"

struct geo {
    MMDB_s database;
};

enum err geo_open(const char *path, struct geo **ret_geo, struct errinfo *why) {
    struct geo *geo = mem_alloc(sizeof *geo);
    int status = MMDB_open(path, MMDB_MODE_MMAP, &geo->database);
    if (status != MMDB_SUCCESS) {
        mem_free(geo);
        return err_why(ERR_INVALID, why, path, "it is no geolocation database: %s", MMDB_strerror(status));
    }
    const char *type = geo->database.metadata.database_type;
    if (type == NULL || strstr(type, "City") == NULL) {
        char shown[64]; /* the answer goes when the database is closed */
        snprintf(shown, sizeof shown, "%s", type != NULL ? type : "?");
        geo_close(geo);
        return err_why(ERR_INVALID, why, path, "it is a database of type %s; one with cities is needed", shown);
    }
    *ret_geo = geo;
    return OK;
}

void geo_close(struct geo *geo) {
    if (geo != NULL) {
        MMDB_close(&geo->database);
        mem_free(geo);
    }
}

/* The value on a path of keys, when it is there and of that type. */
static bool find(MMDB_entry_s *entry, const char *const *path, uint32_t type, MMDB_entry_data_s *ret_data) {
    return entry != NULL && MMDB_aget_value(entry, ret_data, path) == MMDB_SUCCESS && ret_data->has_data &&
        ret_data->type == type;
}

static void put_text(struct json_writer *json, const char *key, MMDB_entry_s *entry, const char *const *path) {
    MMDB_entry_data_s data;
    bool found = find(entry, path, MMDB_DATA_TYPE_UTF8_STRING, &data);
    json_put_string(json, key, found ? slice_of(data.utf8_string, data.data_size) : SLICE(""));
}

static void put_location(struct json_writer *json, MMDB_entry_s *entry) {
    MMDB_entry_data_s latitude, longitude;
    char text[64] = "";
    if (find(entry, (const char *const[]){"location", "latitude", NULL}, MMDB_DATA_TYPE_DOUBLE, &latitude) &&
        find(entry, (const char *const[]){"location", "longitude", NULL}, MMDB_DATA_TYPE_DOUBLE, &longitude)) {
        snprintf(text, sizeof text, "%.4f,%.4f", latitude.double_value, longitude.double_value);
    }
    json_put_cstr(json, "location", text);
}

enum err geo_write(const struct geo *geo, const char *ip, struct json_writer *json) {
    int bad_address = 0, status = MMDB_SUCCESS;
    MMDB_lookup_result_s result = MMDB_lookup_string(&geo->database, ip, &bad_address, &status);
    if (bad_address != 0) {
        return ERR_INVALID;
    }
    if (status != MMDB_SUCCESS && status != MMDB_IPV6_LOOKUP_IN_IPV4_DATABASE_ERROR) {
        return ERR_CORRUPT;
    }
    MMDB_entry_s *entry = status == MMDB_SUCCESS && result.found_entry ? &result.entry : NULL;
    json_write_object(json);
    json_put_cstr(json, "ip", ip);
    put_text(json, "city", entry, (const char *const[]){"city", "names", "en", NULL});
    put_text(json, "country", entry, (const char *const[]){"country", "iso_code", NULL});
    put_text(json, "region", entry, (const char *const[]){"subdivisions", "0", "names", "en", NULL});
    put_text(json, "postal", entry, (const char *const[]){"postal", "code", NULL});
    put_location(json, entry);
    put_text(json, "timezone", entry, (const char *const[]){"location", "time_zone", NULL});
    json_write_end(json);
    return OK;
}
