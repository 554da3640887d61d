namespace Pascl.Kernels;

internal readonly struct BFloat16Width64 : ITensorCoreTile
{
    public int Width => 64;

    public int Columns => 64;

    public int Parts => 1;

    public int Stages => 2;
}

internal readonly struct BFloat16Width128 : ITensorCoreTile
{
    public int Width => 128;

    public int Columns => 64;

    public int Parts => 1;

    public int Stages => 2;
}

internal readonly struct BFloat16Width256 : ITensorCoreTile
{
    public int Width => 256;

    public int Columns => 32;

    public int Parts => 1;

    public int Stages => 2;
}
