/*
 * Stands in for libnccl.so.2 on a machine without GPUs: the functions that Pascl calls, with the signatures of NCCL's public header, on tensors of the host's
 * memory. It refuses arguments that NCCL or Pascl's rules do not allow, compares what the ranks call, and sums in the type of the tensor in the order of the ranks.
 * Every rank writes what it has for its n-th operation to a file in the folder STANDIN_FOLDER and reads those of all others. A rank that has all files of operation n knows
 * that all have finished n - 1, so it removes its own file of n - 1 then.
 *
 * STANDIN_FAIL=function:rank lets a call fail, STANDIN_BREAK=rank lets a rank report an error of its connection and wait for ever in its third operation,
 * STANDIN_HANG=rank lets a rank wait for ever in ncclCommInitRank, STANDIN_LOG=file takes a line from each rank at its end.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct { char internal[128]; } Id;
typedef struct { int kind, type, root, padding; uint64_t count; } Call;
typedef struct { uint64_t magic; int ranks, rank; char name[64]; long operations, sums, broadcasts, groups; int broken; } Communicator;

enum { Sum, Broadcast, Meeting };
enum { Success = 0, SystemError = 2, InvalidArgument = 4, RemoteError = 6 };
static const uint64_t Magic = 0x5041534c4e43434c;
static const int SecondsToWait = 60;
static char last[512];
static int depth;

static int fail(int result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last, sizeof last, format, arguments);
    va_end(arguments);
    return result;
}

static int is_told(const char *variable, const char *function, int rank)
{
    const char *value = getenv(variable);
    char expected[96];
    snprintf(expected, sizeof expected, function ? "%s:%d" : "%s%d", function ? function : "", rank);
    return value && strcmp(value, expected) == 0;
}

static int size_of(int type) { return type == 0 ? 1 : type == 7 ? 4 : type == 4 || type == 8 ? 8 : 0; }

static void file_of(char *path, size_t size, const Communicator *c, long operation, int rank)
{
    snprintf(path, size, "%s/%s.%ld.%d", getenv("STANDIN_FOLDER"), c->name, operation, rank);
}

static int write_own(const Communicator *c, const Call *call, const void *values, size_t bytes)
{
    char path[512], unfinished[528];
    file_of(path, sizeof path, c, c->operations, c->rank);
    snprintf(unfinished, sizeof unfinished, "%s.part", path);
    FILE *file = fopen(unfinished, "wb");
    if (!file) return fail(SystemError, "%s could not be written", unfinished);
    int complete = fwrite(call, sizeof *call, 1, file) == 1 && fwrite(values, 1, bytes, file) == bytes;
    complete = fclose(file) == 0 && complete;
    return complete && rename(unfinished, path) == 0 ? Success : fail(SystemError, "%s could not be written", path);
}

static int read_of(const Communicator *c, int rank, const Call *own, void *values, size_t bytes)
{
    char path[512];
    file_of(path, sizeof path, c, c->operations, rank);
    FILE *file = NULL;
    time_t end = time(NULL) + SecondsToWait;
    while (!(file = fopen(path, "rb")))
    {
        if (time(NULL) > end) return fail(RemoteError, "rank %d did not come to operation %ld", rank, c->operations);
        usleep(50);
    }

    Call other;
    int result = fread(&other, sizeof other, 1, file) != 1 ? fail(SystemError, "%s is short", path)
        : memcmp(&other, own, sizeof other) != 0
            ? fail(InvalidArgument, "operation %ld of rank %d is kind %d of %lu elements of type %d, not kind %d of %lu of type %d",
                   c->operations, rank, other.kind, (unsigned long)other.count, other.type, own->kind, (unsigned long)own->count, own->type)
        : fread(values, 1, bytes, file) != bytes ? fail(SystemError, "%s is short", path) : Success;
    fclose(file);
    return result;
}

static void add(void *sums, const void *values, size_t count, int type)
{
    for (size_t i = 0; i < count; i++)
    {
        if (type == 7) ((float *)sums)[i] += ((const float *)values)[i];
        else if (type == 8) ((double *)sums)[i] += ((const double *)values)[i];
        else ((int64_t *)sums)[i] += ((const int64_t *)values)[i];
    }
}

/* Whether a call is right by itself. */
static int check(const char *function, const Communicator *c, const void *send, void *receive, const Call *call, const void *stream)
{
    if (!c || c->magic != Magic) return fail(InvalidArgument, "%s: no communicator", function);
    if (is_told("STANDIN_FAIL", function, c->rank)) return fail(SystemError, "%s was told to fail", function);
    if (stream) return fail(InvalidArgument, "%s: not the default stream", function);
    if (!size_of(call->type)) return fail(InvalidArgument, "%s: type %d", function, call->type);
    if (call->count == 0) return fail(InvalidArgument, "%s: nothing to move", function);
    if (!send || send != receive) return fail(InvalidArgument, "%s: not in place", function);
    if ((uintptr_t)send % size_of(call->type)) return fail(InvalidArgument, "%s: address not aligned", function);
    return call->root < 0 || call->root >= c->ranks ? fail(InvalidArgument, "%s: root %d of %d", function, call->root, c->ranks) : Success;
}

static int exchange(Communicator *c, const Call *call, void *values)
{
    size_t bytes = call->count * size_of(call->type), sent = call->kind == Sum || call->root == c->rank ? bytes : 0;
    if (is_told("STANDIN_BREAK", NULL, c->rank) && c->operations == 3)
    {
        c->broken = 1;
        fail(RemoteError, "the connection was told to break");
        while (1) sleep(1);
    }

    int result = write_own(c, call, values, sent);
    char *sums = calloc(1, bytes ? bytes : 1), *others = malloc(bytes ? bytes : 1);
    for (int rank = 0; rank < c->ranks && !result; rank++)
    {
        size_t came = call->kind == Sum || call->root == rank ? bytes : 0;
        result = read_of(c, rank, call, others, came);
        if (!result && call->kind == Sum) add(sums, others, call->count, call->type);
        if (!result && call->kind == Broadcast && came) memcpy(sums, others, bytes);
    }

    if (!result) memcpy(values, sums, bytes);
    free(sums);
    free(others);
    char before[512];
    file_of(before, sizeof before, c, c->operations - 1, c->rank);
    if (!result) remove(before);
    c->operations++;
    return result;
}

int ncclGetVersion(int *version) { *version = 22105; return Success; }

int ncclGetUniqueId(Id *id)
{
    memset(id, 0, sizeof *id);
    for (size_t i = 0; i < sizeof id->internal; i++) id->internal[i] = (char)(i * 7 + 128); /* zeros and high bits too */
    snprintf(id->internal, 48, "pascl-stand-in-%d-%ld", (int)getpid(), (long)time(NULL));
    return Success;
}

int ncclCommInitRank(Communicator **communicator, int ranks, Id id, int rank)
{
    Id expected;
    ncclGetUniqueId(&expected);
    if (memcmp(id.internal + 48, expected.internal + 48, sizeof id.internal - 48)) return fail(InvalidArgument, "the id is not what was made");
    if (is_told("STANDIN_FAIL", "ncclCommInitRank", rank)) return fail(SystemError, "Duplicate GPU detected");
    while (is_told("STANDIN_HANG", NULL, rank)) sleep(1);
    Communicator *c = calloc(1, sizeof *c);
    c->magic = Magic;
    c->ranks = ranks;
    c->rank = rank;
    snprintf(c->name, sizeof c->name, "%.47s", id.internal);
    Call meeting = { Meeting, 0, 0, 0, 0 };
    char nothing = 0;
    int result = exchange(c, &meeting, &nothing);
    *communicator = c;
    return result;
}

int ncclAllReduce(const void *send, void *receive, size_t count, int type, int operation, Communicator *c, void *stream)
{
    Call call = { Sum, type, 0, 0, count };
    int result = check("ncclAllReduce", c, send, receive, &call, stream);
    if (result) return result;
    if (operation != 0) return fail(InvalidArgument, "operation %d", operation);
    if (type == 0) return fail(InvalidArgument, "a sum of bytes");
    c->sums++;
    return exchange(c, &call, receive);
}

int ncclBroadcast(const void *send, void *receive, size_t count, int type, int root, Communicator *c, void *stream)
{
    Call call = { Broadcast, type, root, 0, count };
    int result = check("ncclBroadcast", c, send, receive, &call, stream);
    if (result) return result;
    c->broadcasts++;
    c->groups += depth > 0;
    return exchange(c, &call, receive);
}

int ncclGroupStart(void) { depth++; return Success; }

int ncclGroupEnd(void) { return depth-- > 0 ? Success : fail(InvalidArgument, "a group ends that was not begun"); }

int ncclCommGetAsyncError(Communicator *c, int *result) { *result = c->broken ? RemoteError : Success; return Success; }

int ncclCommDestroy(Communicator *c)
{
    const char *log = getenv("STANDIN_LOG");
    FILE *file = log && depth == 0 && c->magic == Magic ? fopen(log, "a") : NULL;
    if (file)
    {
        fprintf(file, "%d of %d: %ld sums, %ld broadcasts, %ld in groups\n", c->rank, c->ranks, c->sums, c->broadcasts, c->groups);
        fclose(file);
    }

    return Success;
}

const char *ncclGetErrorString(int result)
{
    return result == SystemError ? "unhandled system error" : result == InvalidArgument ? "invalid argument" : result == RemoteError ? "remote process exited or there was a network error" : "no error";
}

const char *ncclGetLastError(Communicator *c) { (void)c; return last; }
