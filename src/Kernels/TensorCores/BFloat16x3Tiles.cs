namespace Pascl.Kernels;

internal readonly struct BFloat16x3Width64 : ITensorCoreTile
{
    public int Width => 64;

    public int Columns => 64;

    public int Parts => 2;

    public int Stages => 2;
}

internal readonly struct BFloat16x3Width128 : ITensorCoreTile
{
    public int Width => 128;

    public int Columns => 32;

    public int Parts => 2;

    public int Stages => 2;
}

internal readonly struct BFloat16x3Width256 : ITensorCoreTile
{
    public int Width => 256;

    public int Columns => 32;

    public int Parts => 2;

    public int Stages => 1;
}
