namespace Pascl.Kernels;

internal readonly struct BFloat16Width64 : IContrastiveTile
{
    public int Width => 64;

    public int Columns => 64;

    public int Parts => 1;

    public int Stages => 2;
}

internal readonly struct BFloat16Width128 : IContrastiveTile
{
    public int Width => 128;

    public int Columns => 64;

    public int Parts => 1;

    public int Stages => 2;
}

internal readonly struct BFloat16Width256 : IContrastiveTile
{
    public int Width => 256;

    public int Columns => 32;

    public int Parts => 1;

    public int Stages => 2;
}
